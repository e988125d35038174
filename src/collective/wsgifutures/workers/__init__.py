"""Workers elsewhere: programs without Plone that do jobs of their queues."""
