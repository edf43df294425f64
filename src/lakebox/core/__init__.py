"""The pure part: values, the export parser, interpolation, columns, cells and the plan. No input or output."""
