// IPX over a folder, as its own documentation serves it: node ipx.mjs <where it is installed> <folder> <port>
// Its JPEGs are progressive by default, which takes three times the encoder's time; nobody else here does that.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [installed, dir, port] = process.argv.slice(2);
const { createIPX, createIPXNodeServer, ipxFSStorage } = await import(
  pathToFileURL(`${installed}/node_modules/ipx/dist/index.mjs`)
);
const ipx = createIPX({ storage: ipxFSStorage({ dir }), sharpOptions: { jpegProgressive: false } });
createServer(createIPXNodeServer(ipx)).listen(Number(port), "127.0.0.1");
