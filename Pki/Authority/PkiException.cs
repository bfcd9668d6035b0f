namespace Masquerade.Pki.Authority;

/// <summary>What was asked of the site's authority cannot be done; the message says why and what to do instead.</summary>
public sealed class PkiException : Exception
{
    /// <summary>With a sentence for the operator.</summary>
    public PkiException(string message)
        : base(message)
    {
    }

    /// <summary>With a sentence for the operator and what caused it.</summary>
    public PkiException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>Without any word.</summary>
    public PkiException()
    {
    }
}
