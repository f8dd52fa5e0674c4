"""The web demo: a Gradio page and HTTP API that translate photos.

Importing this package configures Gradio's environment but does not import Gradio. Only the modules that build the page
import it.
"""

from i2i.demo.gradio_setup import configure_gradio

configure_gradio()
