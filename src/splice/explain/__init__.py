"""What a request will do, before it is sent: the route, the path taken and why, and every statement.

Pure: no connection is opened. Everything comes from the functions that serve the request: the parser, the plan, the
Pydantic models and the statements. What SQLAlchemy's unit of work writes is the one thing rebuilt here (`writes`), and
a test compares it with what is sent.
"""

from splice.counts import QueryPlan
from splice.explain.requests import DIALECTS, Explanation, explain_request
from splice.explain.sql import Parameter, Statement, Unsaid

__all__ = ["DIALECTS", "Explanation", "Parameter", "QueryPlan", "Statement", "Unsaid", "explain_request"]
