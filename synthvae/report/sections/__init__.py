"""The parts of the report, one module each: what was measured, put into tables, figures, sounds and plain words."""
