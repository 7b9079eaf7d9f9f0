"""What has been measured of a project, and what its last changes did to that."""
