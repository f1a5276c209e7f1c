"""Speaks Amazon Bedrock's dialects: Converse, and InvokeModel with each vendor's own bodies, in event-stream frames."""
