"""The pages and parts that people see in their browser, except for the control panel."""
