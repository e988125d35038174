"""What people see of jobs: the page that follows one, and the list of one's own."""
