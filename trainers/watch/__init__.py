"""What happens to held-out pairs while preferences are trained."""
