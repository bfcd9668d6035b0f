namespace Masquerade.Client;

/// <summary>The client cannot do what it is told; the message says why, for people.</summary>
public sealed class ClientException : Exception
{
    /// <summary>Without words.</summary>
    public ClientException()
    {
    }

    /// <summary>With what is wrong.</summary>
    public ClientException(string message)
        : base(message)
    {
    }

    /// <summary>With what is wrong and why.</summary>
    public ClientException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
