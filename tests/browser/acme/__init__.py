"""An add-on whose pages wait for services, as a site has it."""
