namespace Masquerade.Auth.Radius;

/// <summary>Why a change is not made: Error-Cause (RFC 5176 section 3.5).</summary>
public enum ErrorCause : uint
{
    /// <summary>It is made.</summary>
    None = 0,

    /// <summary>An attribute that is not understood, or not in this request.</summary>
    UnsupportedAttribute = 401,

    /// <summary>Nothing says which session.</summary>
    MissingAttribute = 402,

    /// <summary>The request is for another NAS.</summary>
    NasIdentificationMismatch = 403,

    /// <summary>The request makes no sense.</summary>
    InvalidRequest = 404,

    /// <summary>A Service-Type that is not served, Authorize-Only among them.</summary>
    UnsupportedService = 405,

    /// <summary>An extension that is not known.</summary>
    UnsupportedExtension = 406,

    /// <summary>An attribute's value cannot be.</summary>
    InvalidAttributeValue = 407,

    /// <summary>The operator does not allow it.</summary>
    AdministrativelyProhibited = 501,

    /// <summary>No session is meant by what the request says.</summary>
    SessionContextNotFound = 503,

    /// <summary>The session is there and cannot be ended.</summary>
    SessionContextNotRemovable = 504,

    /// <summary>Something else, in a proxy.</summary>
    OtherProxyProcessingError = 505,

    /// <summary>Too much is under way.</summary>
    ResourcesUnavailable = 506,

    /// <summary>Several sessions are meant, and one was to be changed.</summary>
    MultipleSessionSelectionUnsupported = 508,
}
