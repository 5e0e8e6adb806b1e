"""Object tags as S3 has them, read into the table `tags`: no listing and no event tells of them."""
