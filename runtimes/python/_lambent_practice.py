# Imported once by a generic runtime before it has a function, so that importing is practised.
def handler(event, context):
    return event
