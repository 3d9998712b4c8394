//! The client of S3, bounded by the grants of its function.

use aws_config::SdkConfig;
use aws_sdk_s3::{
    Client,
    config::Builder,
    operation::{
        abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder,
        complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder,
        copy_object::builders::CopyObjectFluentBuilder,
        create_multipart_upload::builders::CreateMultipartUploadFluentBuilder,
        get_object::builders::GetObjectFluentBuilder,
        head_object::builders::HeadObjectFluentBuilder,
        list_parts::builders::ListPartsFluentBuilder, put_object::builders::PutObjectFluentBuilder,
        upload_part::builders::UploadPartFluentBuilder,
    },
};
use typed_contract::{
    buckets::Bucket,
    functions::Function,
    grants::{AbortMultipartUpload, GetObject, Granted, ListParts, PutObject},
};

use crate::Environment;

/// The client of S3 for the function `F`.
///
/// ```
/// use granted_aws::Objects;
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::bucket! {
/// #     /// The invoices of orders.
/// #     Invoices = "invoices" in "INVOICES_BUCKET"
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Invoices: [GetObject],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// // The function is granted `GetObject` on `Invoices`.
/// fn read(objects: &Objects<OrdersFunction>) {
///     let _request = objects.get_object::<Invoices>().key("o-1.pdf");
/// }
/// ```
///
/// It is not granted `PutObject`, so this does not compile:
///
/// ```compile_fail,E0277
/// # use granted_aws::Objects;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::bucket! {
/// #     /// The invoices of orders.
/// #     Invoices = "invoices" in "INVOICES_BUCKET"
/// # }
/// # typed_contract::function! {
/// #     /// Serves orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Invoices: [GetObject],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # fn write(objects: &Objects<OrdersFunction>) {
/// objects.put_object::<Invoices>();
/// # }
/// ```
#[derive(Debug)]
pub struct Objects<F> {
    client: Client,
    environment: Environment<F>,
}

impl<F> Clone for Objects<F> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl<F: Function> Objects<F> {
    /// A client of the buckets that the environment names.
    pub fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        // Emulators have no DNS name for each bucket.
        let config = Builder::from(config)
            .force_path_style(config.endpoint_url().is_some())
            .build();
        Self {
            client: Client::from_conf(config),
            environment: environment.clone(),
        }
    }

    /// A `GetObject` in `B`.
    pub fn get_object<B: Bucket>(&self) -> GetObjectFluentBuilder
    where
        F: Granted<GetObject<B>>,
    {
        self.client
            .get_object()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// A `PutObject` in `B`.
    pub fn put_object<B: Bucket>(&self) -> PutObjectFluentBuilder
    where
        F: Granted<PutObject<B>>,
    {
        self.client
            .put_object()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// A `HeadObject` in `B`, which takes the same permission as a `GetObject`. Without `s3:ListBucket`, S3
    /// answers 403 for an object that does not exist.
    pub fn head_object<B: Bucket>(&self) -> HeadObjectFluentBuilder
    where
        F: Granted<GetObject<B>>,
    {
        self.client
            .head_object()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// A `CopyObject` of the object with the key `from` in `B`, within `B`: up to 5 GB, with its metadata. The key has
    /// only letters, digits and `-_.~/`, because the request names it in its encoded form.
    pub fn copy_object<B: Bucket>(&self, from: &str) -> CopyObjectFluentBuilder
    where
        F: Granted<GetObject<B>> + Granted<PutObject<B>>,
    {
        let bucket = self.environment.value(B::VARIABLE);
        self.client
            .copy_object()
            .bucket(bucket)
            .copy_source(format!("{bucket}/{from}"))
    }

    /// A `CreateMultipartUpload` in `B`.
    pub fn create_multipart_upload<B: Bucket>(&self) -> CreateMultipartUploadFluentBuilder
    where
        F: Granted<PutObject<B>>,
    {
        self.client
            .create_multipart_upload()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// An `UploadPart` in `B`.
    pub fn upload_part<B: Bucket>(&self) -> UploadPartFluentBuilder
    where
        F: Granted<PutObject<B>>,
    {
        self.client
            .upload_part()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// A `CompleteMultipartUpload` in `B`.
    pub fn complete_multipart_upload<B: Bucket>(&self) -> CompleteMultipartUploadFluentBuilder
    where
        F: Granted<PutObject<B>>,
    {
        self.client
            .complete_multipart_upload()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// A `ListParts` in `B`.
    pub fn list_parts<B: Bucket>(&self) -> ListPartsFluentBuilder
    where
        F: Granted<ListParts<B>>,
    {
        self.client
            .list_parts()
            .bucket(self.environment.value(B::VARIABLE))
    }

    /// An `AbortMultipartUpload` in `B`.
    pub fn abort_multipart_upload<B: Bucket>(&self) -> AbortMultipartUploadFluentBuilder
    where
        F: Granted<AbortMultipartUpload<B>>,
    {
        self.client
            .abort_multipart_upload()
            .bucket(self.environment.value(B::VARIABLE))
    }
}
