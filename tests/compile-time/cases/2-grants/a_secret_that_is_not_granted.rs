//! The carrier's key is granted, the key of the billing service is not.

use granted_aws::Environment;
use typed_contract::{functions::Trigger, grants::GetSecretValue};

typed_contract::secret! {
    /// The key of the carrier.
    CarrierKey = "carrier/key" in "CARRIER_KEY_SECRET"
}

typed_contract::secret! {
    /// The key of the billing service.
    BillingKey = "billing/key" in "BILLING_KEY_SECRET"
}

typed_contract::function! {
    /// Ships orders.
    ShippingFunction = "shipping" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            CarrierKey: [GetSecretValue],
        },
        settings: [],
    }
}

fn billing_key(environment: &Environment<ShippingFunction>) -> &str {
    environment.target_of::<GetSecretValue<BillingKey>>()
}

fn main() {}
