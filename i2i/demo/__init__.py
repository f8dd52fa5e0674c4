"""The demo: a page in the browser that translates photos. Importing it readies the import of gradio, which takes part
only in the modules that build the page."""

from i2i.demo.gradio_setup import prepare

prepare()
