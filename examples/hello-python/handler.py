"""The smallest useful function: greets, and says where it ran."""

import os

started = 0  # survives from one invocation to the next in a warm environment


def handler(event, context):
    global started
    started += 1
    print(f"invocation {started} in this environment, {context.get_remaining_time_in_millis()} ms left")
    return {
        "hello": event.get("name", "world"),
        "function": context.function_name,
        "request": context.aws_request_id,
        "python": os.environ["AWS_EXECUTION_ENV"],
    }
