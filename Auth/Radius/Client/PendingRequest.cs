namespace Masquerade.Auth.Radius;

/// <summary>A request that waits for its answer on a lane.</summary>
internal sealed class PendingRequest(RadiusCode code, byte[] authenticator)
{
    private readonly TaskCompletionSource<RadiusPacket?> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RadiusCode Code { get; } = code;

    /// <summary>The Request Authenticator, filled in when the packet is made.</summary>
    public byte[] Authenticator { get; } = authenticator;

    public byte Identifier { get; set; }

    /// <summary>The answer; null if the lane is gone and none can come.</summary>
    public Task<RadiusPacket?> Answer => _answer.Task;

    public void Complete(RadiusPacket? answer) => _answer.TrySetResult(answer);
}
