"""The layout of the page, a file a tab. What a button does is in the other files of `portrait.web`;
here its fields and its place are joined to it."""
