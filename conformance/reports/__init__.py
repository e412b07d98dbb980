"""What a run looks like to people and to machines: terminal, JUnit, JSON, HTML, badge, and runs side by side."""
