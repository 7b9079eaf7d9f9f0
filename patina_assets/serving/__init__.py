"""What is served to a browser on this machine: Dagster's web UI behind checks of ours."""
