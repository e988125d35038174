"""What people see in their browser, beside the control panel."""
