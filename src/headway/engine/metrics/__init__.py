"""metrics: the delivery metrics: their facts, and how they are said."""
