"""What people and other programs do with the topics: publish claims, look at what came, send dead letters back.

Called by commands and one route, never by the consumer.
"""
