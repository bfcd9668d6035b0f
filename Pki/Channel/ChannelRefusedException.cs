using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Channel;

/// <summary>A secured channel did not come about; the message is the reason, fit for both sides' logs.</summary>
public sealed class ChannelRefusedException : IOException
{
    /// <summary>With the kind of refusal and its reason.</summary>
    public ChannelRefusedException(Refusal refusal, string reason)
        : base(reason)
    {
        Refusal = refusal;
    }

    /// <summary>With a reason alone.</summary>
    public ChannelRefusedException(string message)
        : this(Refusal.Failed, message)
    {
    }

    /// <summary>With a reason and what caused it.</summary>
    public ChannelRefusedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Without any word.</summary>
    public ChannelRefusedException()
    {
    }

    /// <summary>The kind.</summary>
    public Refusal Refusal { get; } = Refusal.Failed;
}
