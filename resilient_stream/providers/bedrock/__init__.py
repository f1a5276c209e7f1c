"""Amazon Bedrock: Converse, and InvokeModel with each vendor's own bodies, in event-stream frames."""
