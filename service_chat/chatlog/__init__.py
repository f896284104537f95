"""Conversations: that there was one, and with STORE_CHAT=1 what was said in it, under a key."""
