namespace Masquerade.Bench;

/// <summary>Something that makes a measurement worthless.</summary>
public sealed class BenchException : Exception
{
    /// <summary>Something is wrong.</summary>
    public BenchException()
    {
    }

    /// <summary>Something is wrong.</summary>
    public BenchException(string message)
        : base(message)
    {
    }

    /// <summary>Something is wrong because of something else.</summary>
    public BenchException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
