"""S3 and whatever speaks like it: a place named by one URL, and what can be asked of its bucket.

A leaf: originals and results both come here. Nothing of boto3 or obstore is loaded before a bucket is opened.
"""
