"""The engine: guards of a call, its attempts and its chain, with a scripted transport and a fake clock."""
