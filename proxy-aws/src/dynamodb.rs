//! The ledger on DynamoDB: one table.
