namespace Masquerade.Auth.KeyHolder;

/// <summary>What accounting counts.</summary>
public enum AccountingCount
{
    /// <summary>Records that a server has confirmed.</summary>
    Confirmed,

    /// <summary>Times that a record stayed unconfirmed and was kept to be sent again.</summary>
    Deferred,

    /// <summary>Interim records that a later one of the same session has replaced before they were sent.</summary>
    Superseded,

    /// <summary>Records dropped, because as many wait as may.</summary>
    QueueFull,

    /// <summary>Records dropped, because they were too old.</summary>
    TooOld,

    /// <summary>Records dropped, because they do not fit into a packet.</summary>
    TooLarge,
}
