"""The demo's page: Streamlit runs this file from top to bottom at every click of every visitor."""

from tacotrain.dashboards.demo_page import show

show()
