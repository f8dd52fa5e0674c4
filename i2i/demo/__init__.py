"""The demo: a page in the browser that translates photos. Imports gradio only in the modules that build the page."""
