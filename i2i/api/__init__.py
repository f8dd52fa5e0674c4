"""The commands as Python functions, with the arguments of the command line: ``train`` and ``evaluate``.

``i2i.convert`` is the third; it belongs to the package ``i2i.convert``.
"""
