"""usage: shop.py URL create            the tables, with some rows in them
       shop.py URL trade RATE SECONDS  RATE transactions a second: orders placed, paid, shipped, cancelled and archived, prices changed

`version` counts the changes of a row, so that whoever follows them sees whether one is missing."""
import random
import sys
import time

import psycopg

TABLES = """
create table products (id integer primary key, name text not null, price numeric(10, 2) not null, stock integer not null,
    version integer not null default 1);
create table orders (id integer generated always as identity primary key, customer text not null,
    product integer not null references products, quantity integer not null, status text not null default 'placed',
    paid boolean not null default false, note text, version integer not null default 1);
"""
PRODUCTS, FIRST_ORDERS = 50, 500
CUSTOMERS = ["Ada", "Blaise", "Charles", "Dorothea", "Édouard", "Frances", "Grace", "Łukasz", "文子"]


class Cancelled(Exception):
    """A customer who changes his mind: the transaction is rolled back."""


class Shop:
    def __init__(self, url, seed):
        self.database, self.dice = psycopg.connect(url), random.Random(seed)

    def create(self):
        with self.database.transaction():
            self.database.execute(TABLES)
            for number in range(PRODUCTS):
                self.database.execute("insert into products values (%s, %s, %s, %s)",
                                      (number, f"Product {number}", self.dice.randrange(100, 99999) / 100, 1000))
            for _ in range(FIRST_ORDERS):
                self.place()

    def place(self):
        product, quantity = self.dice.randrange(PRODUCTS), self.dice.randrange(1, 10)
        self.database.execute("insert into orders (customer, product, quantity, note) values (%s, %s, %s, %s)",
                              (self.dice.choice(CUSTOMERS), product, quantity, self.dice.choice([None, "", "as a gift"])))
        self.database.execute("update products set stock = stock - %s, version = version + 1 where id = %s", (quantity, product))

    def some_order(self, status):
        """An order in this state: its id, product and quantity."""
        found = self.database.execute("select id, product, quantity from orders where status = %s order by id limit 20", (status,)).fetchall()
        return self.dice.choice(found) if found else (None, None, 0)

    def pay(self):
        self.database.execute("update orders set status = 'paid', paid = true, version = version + 1 where id = %s",
                              self.some_order("placed")[:1])

    def ship(self):
        self.database.execute("update orders set status = 'shipped', version = version + 1 where id = %s", self.some_order("paid")[:1])

    def archive(self):
        self.database.execute("delete from orders where id = %s", self.some_order("shipped")[:1])

    def cancel(self):
        order, product, quantity = self.some_order("placed")
        self.database.execute("delete from orders where id = %s", (order,))
        self.database.execute("update products set stock = stock + %s, version = version + 1 where id = %s", (quantity, product))

    def change_price(self):
        self.database.execute("update products set price = price + 0.05, version = version + 1 where id = %s", (self.dice.randrange(PRODUCTS),))

    def regret(self):
        self.place()
        self.pay()
        raise Cancelled

    def trade(self, rate, seconds):
        kinds = {self.place: 8, self.pay: 6, self.ship: 5, self.archive: 4, self.cancel: 2, self.change_price: 3, self.regret: 1}
        begun, count = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < seconds:
            if count > passed * rate:
                time.sleep(0.01)
                continue
            try:
                with self.database.transaction():
                    self.dice.choices(list(kinds), list(kinds.values()))[0]()
            except Cancelled:
                pass
            count += 1
        print(f"{count} transactions")


def main():
    shop = Shop(sys.argv[1], seed=1)
    if sys.argv[2] == "create":
        shop.create()
    else:
        shop.trade(float(sys.argv[3]), float(sys.argv[4]))
    shop.database.close()


main()
