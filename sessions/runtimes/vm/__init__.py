"""Virtual machines: QEMU processes restored from templates, with our agent inside."""
