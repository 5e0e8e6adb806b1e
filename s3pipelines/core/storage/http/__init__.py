"""A thin asynchronous client for what is asked of S3 by the thousand: listings and heads.

boto3 does everything else. Here, `places` finds out where a bucket is and with which keys it is
asked, as botocore would; `signing` signs; `pace` says how many requests may be under way; `client`
asks, and asks again. Errors are botocore's, so that `failures` words them as ever.
"""
