"""Charts and maps, as SVG and as pages."""
