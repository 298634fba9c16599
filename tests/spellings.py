"""Ways to write hosts that no original may come from: of this machine, of networks that are not public, of neither."""

from ipaddress import IPv4Address, IPv6Address


def _numbers(address: str) -> list[str]:
    """What a resolver takes for an address of IPv4 beside its usual spelling."""
    a, b, c, d = (int(part) for part in address.split("."))
    whole, tail, last = int(IPv4Address(address)), (b << 16) + (c << 8) + d, (c << 8) + d
    return [
        f"{whole}",
        f"{whole:#x}",
        f"0{whole:o}",
        f"{a}.{tail}",
        f"{a}.{b}.{last}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"{a:#x}.{tail:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:03}.{b:03}.{c:03}.{d:03}",
        f"{a}.{b}.{c}.{d:#x}",
        f"{address}.",
        address.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        address.translate(str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")),
        address.replace(".", "。"),
        address.replace(".", "．"),
        address.replace(".", "%2e"),
        f"{address}%00",
        f" {address}",
        f"{address}\t",
    ]


def _embedded(address: str) -> list[str]:
    """Addresses of IPv6 that stand for one of IPv4."""
    four = int(IPv4Address(address))
    high, low = four >> 16, four & 0xFFFF
    inverted = four ^ 0xFFFF_FFFF
    return [
        str(IPv6Address(text))
        for text in (
            f"::ffff:{high:x}:{low:x}",  # mapped
            f"::{high:x}:{low:x}",  # compatible
            f"::ffff:0:{high:x}:{low:x}",  # translated
            f"64:ff9b::{high:x}:{low:x}",  # NAT64
            f"64:ff9b:1::{high:x}:{low:x}",  # NAT64 of a network's own
            f"2002:{high:x}:{low:x}::1",  # 6to4
            f"2001:0:4136:e378:8000:63bf:{inverted >> 16:x}:{inverted & 0xFFFF:x}",  # Teredo
            f"2a00:1450:4001:811::5efe:{high:x}:{low:x}",  # ISATAP
            f"2a00:1450:4001:811:200:5efe:{high:x}:{low:x}",
            f"fe80::5efe:{high:x}:{low:x}",
        )
    ]


LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "::1", "::"]
PRIVATE_4 = [
    *("0.0.0.1", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.1.1.1"),
    *("169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.170"),
    *("192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255"),
]
PRIVATE_6 = [
    *("fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1"),
    *("100::1", "2001:db8::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001::1", "3fff::1", "5f00::1"),
    *("4000::1", "::2", "::ffff:ffff", "64:ff9b:1::1", "2002::1"),
]
CARRIED = [text for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0") for text in _embedded(address)]

ADDRESSES = list(dict.fromkeys([*LOOPBACK, *PRIVATE_4, *PRIVATE_6, *CARRIED]))
"""Each in its usual spelling, as a resolver would give it."""

LITERALS = [f"[{text}]" if ":" in text else text for text in ADDRESSES]

ODD = [
    *(
        text
        for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1")
        for text in _numbers(address)
        if text != address
    ),
    *("127.1", "127.0.1", "0", "0x0", "00", "1", "0x", "017700000001", "0x7f.1", "127.0.0.0x1", "127.0.0.01"),
    *("127.0.0.1.1", "256.0.0.1", "4294967297", "127..0.1", ".127.0.0.1", "127.0.0.-1", "1e3"),
    *("[::1%lo]", "[::1%25lo]", "[fe80::1%25eth0]", "[0:0:0:0:0:0:0:1]", "[::0:1]", "[::01]", "[0::1]", "[::1", "::1"),
    *(
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[::FFFF:7F00:1%1]",
        "[v1.1]",
        "[127.0.0.1]",
        "[]",
    ),
    *(
        "localhost.",
        "localhost%00",
        "localhost%2e",
        "loc\u00adalhost",
        "ｌｏｃａｌｈｏｓｔ",
        "localhost\u200b",
        "-localhost",
    ),
    *(
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "local_host-",
        "a..b",
        "-localhost",
        "[127.0.0.1]",
        "x" * 64,
        f"{'a.' * 127}com",
        "localhost ",
        "local\thost",
        "localhost\n",
    ),
    *("user@127.0.0.1", "user:pass@127.0.0.1", "photos.example.com@127.0.0.1", "photos.example.com:80@127.0.0.1"),
    *("photos.example.com%40127.0.0.1", "@127.0.0.1", ":@127.0.0.1", "127.0.0.1#@photos.example.com"),
    *("photos.example.com\\@127.0.0.1", "127.0.0.1\\@photos.example.com", "photos.example.com\\.127.0.0.1"),
    *("127.0.0.1?@photos.example.com", "photos.example.com,127.0.0.1", "photos.example.com;@127.0.0.1"),
    *("photos.example.com:@127.0.0.1", "photos.example.com:0", "photos.example.com:00080", "photos.example.com:65536"),
    *("photos.example.com:80:80", "photos.example.com:+80", "photos.example.com: 80", "photos.example.com:８０"),
    *("photos.example.com.", "photos.example.com..", "photos.example.com%", "photos.example.com%0d%0a", ""),
    *("photos.example.com.evil.test", "evilphotos.example.com.test", "evil.test", "xn--", "xn--a", "\u202e127.0.0.1"),
]
"""Hosts with what stands around them, none of which is the one spelling of a host that is listed."""
