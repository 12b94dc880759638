"""Adam (Kingma and Ba 2015) as it comes: the step size is that of the training settings and their schedule."""

OPTIONS = {}
FORM = "adam"
