"""The studio in the browser: `python -m portrait studio`.

guard.py       refuses what other pages send
jobs.py        work in a thread that tells how far it is, and can be stopped
studio.py      what the page works with: a model, a folder, the jobs
markup.py      HTML of what is shown
drawing.py  painting.py  lecture.py        what each tab does; none of them knows Gradio
framing.py     words for how the head lies in the picture
sending.py     from a recipe to the tab that makes such pictures
page.py        the layout: the only file that knows Gradio
server.py      from the page to a port of this machine
"""
