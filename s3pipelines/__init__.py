"""Living, indexed, searchable collections of images and HDF5 files on S3."""
