"""Writes of the books: customers and their ledger, bills, payments and refunds.

A bill fixes what an order costs; payments settle it; a negative payment is money given back. If the order names a
customer (by phone number), the customer's ledger follows:

- issuing the bill writes a `charge` of its total;
- a payment writes a `payment` of minus its amount, unless its method is "account": that settles the bill and leaves the
  charge standing, which is what "put it on my account" means;
- a refund writes a `refund` of minus its amount, for the customer owes that much less, and, unless it goes back to the
  account, a `payment` of plus its amount, for that money was handed over.

So the balance is always what the customer still has to pay. Money that a customer later pays in on account belongs to
no bill: it is a `payment` in the ledger alone (`ledger_append`).

Locks are taken in the order that `orders.services` names: the order, then the customer.
"""

from billing.services.customers import CUSTOMER_UPDATABLE, customer_get_or_create, customer_update, ledger_append
from billing.services.payments import PaymentReceipt, bill_issue, order_pay, order_refund
from billing.services.removal import organisation_delete

__all__ = [
    "CUSTOMER_UPDATABLE",
    "PaymentReceipt",
    "bill_issue",
    "customer_get_or_create",
    "customer_update",
    "ledger_append",
    "order_pay",
    "order_refund",
    "organisation_delete",
]
