"""Images from outside: pictures, arrays, IDX files, downloads."""
