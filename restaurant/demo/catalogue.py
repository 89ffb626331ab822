"""What the demo restaurants are called, when they open, and what they sell at which prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from orders.models import Order

_EVENINGS: Final = [["17:00", "23:00"]]
_LUNCH_AND_EVENING: Final = [["11:30", "15:00"], ["17:30", "23:00"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRestaurant:
    """`fields` are those of the profile; `phone_prefix`, with three digits, makes the customers' numbers.

    `holidays` are the first and the last day ("MM-DD") of each, and its name.
    """

    org_id: str
    fields: Mapping[str, Any]
    holidays: Sequence[tuple[str, str, str]]
    phone_prefix: str
    services: Sequence[str]
    menu: Mapping[str, Sequence[tuple[str, str]]]


CUSTOMER_NAMES: Final = (
    *("Amara Okafor", "Ben Whitfield", "Chiara Lombardi", "Daniel Novak", "Elif Kaya", "Farid Haddad"),
    *("Grace Mensah", "Hiro Tanaka", "Ines Duarte", "Jonas Lindqvist", "Kavya Nair", "Liam Byrne"),
    *("Mei Sato", "Noor Rahman", "Olga Petrova", "Paolo Ricci", "Quinn Foster", "Rosa Delgado"),
    *("Sami Aalto", "Tara Singh", "Umberto Gallo", "Vera Horvat", "Will Ashdown", "Yuki Mori"),
)

RESTAURANTS: Final = (
    DemoRestaurant(
        org_id="demo-spice-garden",
        fields={
            "name": "Spice Garden",
            "legal_name": "Spice Garden Takeaways Ltd",
            "tax_id": "GB000000000",
            "address": "12 Example Street, London E1",
            "phone": "+442079460123",
            "email": "hello@spice-garden.example",
            "currency": "GBP",
            "time_zone": "Europe/London",
            "tax_rate": Decimal(20),
            "prices_include_tax": True,
            "opening_hours": dict.fromkeys(("tue", "wed", "thu", "fri", "sat", "sun"), _EVENINGS),
            "accepts_table_service": False,
            "order_lead_minutes": 40,
        },
        holidays=(("12-25", "12-26", "Christmas"),),
        phone_prefix="+447700900",
        services=(Order.Service.TAKEAWAY, Order.Service.DELIVERY),
        menu={
            "Starters": (("Plain Papadum", "0.80"), ("Onion Bhaji", "3.95"), ("Vegetable Samosa", "3.75")),
            "Mains": (("Chicken Tikka Masala", "9.95"), ("King Prawn Balti", "12.95"), ("Lamb Rogan Josh", "10.50")),
            "Sides": (("Garlic Naan", "2.95"), ("Mushroom Rice", "3.95"), ("Bombay Aloo", "5.50")),
            "Drinks": (("Mango Lassi", "3.25"), ("Sparkling Water", "1.95")),
        },
    ),
    DemoRestaurant(
        org_id="demo-trattoria-roma",
        fields={
            "name": "Trattoria Roma",
            "legal_name": "Trattoria Roma S.r.l.",
            "tax_id": "IT00000000000",
            "address": "Via Esempio 5, Roma",
            "phone": "+390655501234",
            "email": "ciao@trattoria-roma.example",
            "currency": "EUR",
            "time_zone": "Europe/Rome",
            "tax_rate": Decimal(10),
            "tax_on": "discounted",
            "opening_hours": dict.fromkeys(("mon", "wed", "thu", "fri", "sat", "sun"), _LUNCH_AND_EVENING),
            "order_lead_minutes": 20,
        },
        holidays=(("08-10", "08-20", "Ferragosto"), ("12-25", "12-26", "Natale")),
        phone_prefix="+393205550",
        services=(Order.Service.TABLE, Order.Service.TABLE, Order.Service.TAKEAWAY),
        menu={
            "Antipasti": (("Bruschetta", "6.00"), ("Burrata", "11.50"), ("Suppli", "4.50")),
            "Primi": (("Cacio e Pepe", "12.00"), ("Carbonara", "13.50"), ("Gnocchi al Pomodoro", "11.00")),
            "Secondi": (("Saltimbocca", "18.50"), ("Branzino al Forno", "22.00")),
            "Dolci": (("Tiramisu", "6.50"), ("Panna Cotta", "6.00")),
            "Bevande": (("Acqua Minerale", "2.50"), ("Vino della Casa", "5.00")),
        },
    ),
    DemoRestaurant(
        org_id="demo-sakura-ramen",
        fields={
            "name": "Sakura Ramen",
            "legal_name": "Sakura Ramen K.K.",
            "address": "1-2-3 Example, Tokyo",
            "phone": "+81355501234",
            "email": "info@sakura-ramen.example",
            "currency": "JPY",
            "time_zone": "Asia/Tokyo",
            "tax_rate": Decimal(10),
            "prices_include_tax": True,
            "opening_hours": {day: [["11:00", "22:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
            "order_lead_minutes": 15,
        },
        holidays=(("01-01", "01-03", "New Year"),),
        phone_prefix="+819055501",
        services=(Order.Service.TABLE, Order.Service.TAKEAWAY, Order.Service.DELIVERY),
        menu={
            "Ramen": (("Shoyu Ramen", "950"), ("Miso Ramen", "1050"), ("Tonkotsu Ramen", "1150"), ("Tsukemen", "1200")),
            "Sides": (("Gyoza", "480"), ("Karaage", "620"), ("Onigiri", "220"), ("Edamame", "350")),
            "Drinks": (("Green Tea", "300"), ("Ramune", "280"), ("Draft Beer", "580")),
        },
    ),
)
