"""Files in and out: archives, segmentations, clinical tables, results, standard formats."""
