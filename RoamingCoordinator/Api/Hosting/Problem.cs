using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>What is wrong with a request (RFC 9457).</summary>
internal sealed class ProblemException(int status, string detail) : Exception(detail)
{
    public int Status { get; } = status;

    /// <summary>All that is wrong, where that is more than one thing.</summary>
    public IReadOnlyList<string> Mistakes { get; init; } = [];
}

/// <summary>Writes errors as <c>application/problem+json</c> (RFC 9457).</summary>
internal static class Problem
{
    public static async Task WriteAsync(HttpContext context, int status, string detail, IReadOnlyList<string>? mistakes = null)
    {
        context.Response.StatusCode = status;
        if (status == StatusCodes.Status503ServiceUnavailable)
        {
            context.Response.Headers.RetryAfter = "1";
        }

        await Reply.SendAsync(context, "application/problem+json", json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "about:blank");
            json.WriteString("title", ReasonPhrases.GetReasonPhrase(status));
            json.WriteNumber("status", status);
            json.WriteString("detail", detail);
            if (mistakes is { Count: > 0 })
            {
                Routes.Documents.Strings(json, "mistakes", mistakes);
            }

            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}

/// <summary>Writes documents.</summary>
internal static class Reply
{
    public static Task JsonAsync(HttpContext context, Action<Utf8JsonWriter> write) => SendAsync(context, "application/json", write);

    public static async Task SendAsync(HttpContext context, string type, Action<Utf8JsonWriter> write)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(4096);
        var json = new Utf8JsonWriter(buffer);
        await using (json.ConfigureAwait(false))
        {
            write(json);
        }

        await SendAsync(context, type, buffer.WrittenMemory).ConfigureAwait(false);
    }

    public static async Task SendAsync(HttpContext context, string type, ReadOnlyMemory<byte> body)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
    }
}
