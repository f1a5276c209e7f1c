"""What we send, beside what each provider's own SDK sends for the same conversation.

Install the SDKs with the extra `sdks`; the tests of one that is missing skip and say so.
"""
