"""What tests of the parts of a relay have in common with those on real brokers."""

from letters import name as name
from letters import post as post
